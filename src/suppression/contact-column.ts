import { HushError } from '../core/errors.js';

/** Headers of a column of contacts, as systems and people write them, without case, accents, blanks and punctuation. */
const NAMES = {
  email: `email emails emailaddress emailaddresses emailadress emailid emailaddr emailvalue email1value useremail customeremail contactemail
    subscriberemail recipientemail primaryemail youremail mailaddress mailid mailadresse emailadresse emailadressen adresseemail
    adressemail adressedemessagerie adresseelectronique courriel adressecourriel correo correoelectronico direcciondecorreo
    direcciondecorreoelectronico direccionemail correodelcliente indirizzoemail indirizzodiposta postaelettronica emailadres epost
    epostadresse epostadress sahkoposti sahkopostiosoite enderecodeemail enderecoemail correioeletronico adresemail adrese-mail
    email地址 电子邮件 电子邮箱 电子邮件地址 邮箱 郵箱 電子郵件 電子郵件地址 メールアドレス eメール 이메일 이메일주소 почта эпочта электроннаяпочта адресэлектроннойпочты`,
  phone: `phone phones phonenumber phoneno phonenumbers phone1value telephone telephonenumber telephoneno tel telno mobile mobilephone
    mobilenumber mobileno mobilephonenumber cell cellphone cellnumber cellphonenumber sms smsnumber smsphonenumber msisdn whatsapp
    whatsappnumber homephone workphone primaryphone contactnumber customerphone telefon telefonnummer telefonnr handy handynummer
    mobil mobilnummer mobiltelefon rufnummer telefono numerodetelefono numerotelefono movil celular telefonomovil cellulare
    numeroditelefono telefone numerodetelefone telemovel portable telephoneportable numerodetelephone numerotelephone telefoon
    telefoonnummer mobielnummer puhelin puhelinnumero telefonnumer 电话 电话号码 手机 手机号 手机号码 電話 電話番号 電話號碼 携帯電話 携帯番号 전화번호 휴대폰 휴대폰번호 телефон номертелефона`,
  contact: 'contact contactkey',
} as const;
type Kind = keyof typeof NAMES;
export const CONTACT_KINDS = Object.keys(NAMES) as readonly Kind[];

/** Case, accents, blanks and punctuation tell no two columns apart. */
function folded(name: string): string {
  return name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]/gu, '');
}

const KINDS = new Map(
  CONTACT_KINDS.flatMap((kind) => NAMES[kind].split(/\s+/).map((name): [string, Kind] => [folded(name), kind])),
);
const placesWhere = (names: readonly string[], is: (name: string) => boolean): number[] =>
  names.flatMap((name, place) => (is(name) ? [place] : []));

/**
 * Columns that may be the one asked for: of that very name, else of that name but for case and punctuation, else, for
 * `email`, `phone` and `contact`, of that kind in any spelling. Several mean that the caller has to say which.
 */
export function columnsNamed(names: readonly string[], wanted: string): number[] {
  const exact = placesWhere(names, (name) => name === wanted);
  if (exact.length > 0) return exact;
  const alike = placesWhere(names, (name) => folded(name) === folded(wanted));
  if (alike.length > 0 && folded(wanted) !== '') return alike;
  const kind = CONTACT_KINDS.find((one) => one === wanted);
  return kind === undefined ? [] : placesWhere(names, (name) => KINDS.get(folded(name)) === kind);
}

/** What to say where several columns may be meant. */
function severalColumns(names: readonly string[], places: readonly number[]): HushError {
  const found = [...new Set(places.map((place) => names[place] ?? ''))];
  if (found.length === 1) {
    return new HushError('invalid', `there are ${places.length} columns ${found[0]}`, {
      field: 'column',
      remedy: 'give every column a name of its own',
    });
  }
  return new HushError('invalid', `there are columns ${found.join(' and ')}`, {
    field: 'column',
    remedy: `a row is about one contact: say which, column=${found[0]}, and send the list again for the other`,
  });
}

/** Columns of contacts by kind, for a caller that names none. A column whose name is the very kind is the one of its kind. */
export function contactColumns(names: readonly string[]): number[][] {
  return CONTACT_KINDS.map((kind) => columnsNamed(names, kind)).filter((places) => places.length > 0);
}

/**
 * The one place that a caller may have meant.
 *
 * @param wanted the column that the caller named, if any
 * @param remedy what to do when there is none
 * @throws HushError `invalid` where there is none, or several
 */
export function onlyColumn(
  names: readonly string[],
  places: readonly number[],
  wanted: string | undefined,
  remedy: string,
): number {
  const [place] = places;
  if (place === undefined) {
    const message = wanted === undefined ? 'no column has the contact' : `there is no column ${wanted}`;
    throw new HushError('invalid', message, { field: 'column', remedy });
  }
  if (places.length > 1) throw severalColumns(names, places);
  return place;
}
