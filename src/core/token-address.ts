/**
 * How addresses end, as one byte of a token. Domains most people have, then endings of other domains. The position is
 * part of the token format: append only, at most 256.
 */
export const ENDINGS: readonly string[] = [
  '',
  ...`gmail.com yahoo.com hotmail.com outlook.com icloud.com aol.com live.com msn.com me.com mac.com comcast.net
  verizon.net att.net sbcglobal.net bellsouth.net cox.net charter.net earthlink.net frontier.com optonline.net ymail.com
  rocketmail.com googlemail.com mail.com gmx.com gmx.de gmx.net gmx.at gmx.ch web.de t-online.de freenet.de arcor.de
  yahoo.de hotmail.de outlook.de orange.fr wanadoo.fr free.fr sfr.fr laposte.net yahoo.fr hotmail.fr outlook.fr live.fr
  libero.it virgilio.it tin.it alice.it yahoo.it hotmail.it yahoo.co.uk hotmail.co.uk live.co.uk btinternet.com sky.com
  virginmedia.com ntlworld.com talktalk.net yahoo.es hotmail.es telefonica.net yahoo.com.mx hotmail.com.mx
  prodigy.net.mx yahoo.com.ar yahoo.com.br hotmail.com.br uol.com.br bol.com.br terra.com.br yahoo.ca rogers.com
  sympatico.ca shaw.ca telus.net bigpond.com optusnet.com.au yahoo.com.au yahoo.in yahoo.co.in rediffmail.com
  yahoo.co.jp docomo.ne.jp ezweb.ne.jp softbank.ne.jp au.com naver.com daum.net hanmail.net qq.com 163.com 126.com
  sina.com foxmail.com mail.ru yandex.ru bk.ru list.ru inbox.ru wp.pl o2.pl interia.pl seznam.cz ziggo.nl kpnmail.nl
  telenet.be skynet.be bluewin.ch proton.me protonmail.com pm.me fastmail.com zoho.com hey.com duck.com
  privaterelay.appleid.com example.com example.org example.net`
    .split(/\s+/)
    .map((domain) => `@${domain}`),
  ...`com net org edu gov us mil info biz io co me eu de co.uk fr it es pt nl be ch at se no dk fi pl cz gr ie ca com.mx
  mx com.br br com.ar com.au co.nz co.za jp co.jp cn com.cn kr co.kr in co.in example`
    .split(/\s+/)
    .map((ending) => `.${ending}`),
];
const ENDING_CODES = new Map(ENDINGS.map((ending, code) => [ending, code]));

/** The place of a letter is its digit, from 1 on; 0 ends. Three digits of base 40 are two bytes. */
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789.-@';
const BASE = LETTERS.length + 1;
const DIGITS = new Map([...LETTERS].map((letter, place) => [letter, place + 1]));

/** The code of the longest ending in the table: a whole domain, its last two labels, or the last. */
function endingOf(address: string): number {
  const domainAt = address.lastIndexOf('@');
  const lastDot = address.lastIndexOf('.');
  const places = [domainAt, address.lastIndexOf('.', lastDot - 1), lastDot];
  const found = places.find((at) => at >= domainAt && at > 0 && ENDING_CODES.has(address.slice(at)));
  return found === undefined ? 0 : (ENDING_CODES.get(address.slice(found)) ?? 0);
}

function pack(text: string): Buffer | undefined {
  const digits: number[] = [];
  for (const letter of text) {
    const digit = DIGITS.get(letter);
    if (digit === undefined) return undefined;
    digits.push(digit);
  }
  const out: number[] = [];
  for (let at = 0; at < digits.length; at += 3) {
    const [first = 0, second, third = 0] = digits.slice(at, at + 3);
    if (second === undefined) out.push(first);
    else {
      const three = (first * BASE + second) * BASE + third;
      out.push(three >> 8, three & 255);
    }
  }
  return Buffer.from(out);
}

function unpack(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 2) {
    const [high = 0, low] = bytes.subarray(at, at + 2);
    const three = low === undefined ? high * BASE * BASE : (high << 8) | low;
    for (const place of [BASE * BASE, BASE, 1]) text += LETTERS[(Math.floor(three / place) % BASE) - 1] ?? '';
  }
  return text;
}

/**
 * An address in as few bytes as its letters allow: two for three letters where all are of the small alphabet of most
 * addresses, else UTF-8.
 */
export function packAddress(
  address: string,
  isEmail: boolean,
): { readonly ending: number; readonly packed: boolean; readonly rest: Uint8Array } {
  const ending = isEmail ? endingOf(address) : 0;
  const rest = address.slice(0, address.length - (ENDINGS[ending] ?? '').length);
  const packed = pack(rest);
  return { ending, packed: packed !== undefined, rest: packed ?? Buffer.from(rest, 'utf8') };
}

/** The address without its ending. */
export function unpackAddress(bytes: Buffer, packed: boolean): string {
  return packed ? unpack(bytes) : bytes.toString('utf8');
}
