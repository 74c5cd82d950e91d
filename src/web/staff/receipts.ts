import type { Proofs } from '../../audit/proofs.js';
import type { Catalog } from '../../core/catalog.js';
import { parseTlogProof } from '../../core/checkpoint.js';
import { HushError } from '../../core/errors.js';
import { contactKeyText, type EventId } from '../../core/keys.js';
import { parseNote } from '../../core/note.js';
import { wholeScope } from '../../core/scope.js';
import type { Receipt, Receipts } from '../../preferences/receipts.js';
import type { PersonFiles } from '../../staff/person.js';
import { ownPageOf } from './own-number.js';
import type { StaffShell, Visit } from './shell.js';
import { receiptOf, scopeWords, spelled } from './words.js';

/** Half a second after its acknowledgement, as a rule. */
const notYet = () =>
  new HushError('unavailable', 'this entry is not in a published checkpoint yet', {
    retryAfter: 1,
    remedy: 'reload in a second',
  });

/** Who signed the checkpoint of a proof: the log, and the witnesses, which are the names that are not its own. */
function signersOf(proof: string | undefined): { origin: string; witnesses: string[] } | undefined {
  const note = parseNote(parseTlogProof(proof ?? '')?.checkpoint ?? '');
  const origin = note?.text.split('\n')[0];
  if (!note || origin === undefined) return undefined;
  const names = note.signatures.map(({ name }) => name);
  return { origin, witnesses: [...new Set(names.filter((name) => name !== origin))] };
}

/** A receipt: what happened, who knows, the proof, and how anybody can check it without us. */
export function receiptPages(parts: {
  readonly receipts: Receipts;
  readonly proofs: Proofs;
  readonly files: PersonFiles;
  readonly catalog: Catalog;
  readonly publicUrl: () => string;
}) {
  const { receipts, proofs, catalog } = parts;

  async function receiptFor(visit: Visit): Promise<Receipt> {
    const receipt = await receipts.get(visit.param('id'));
    if (!receipt) throw new HushError('not_found', 'there is no such receipt');
    return receipt;
  }

  return (shell: StaffShell): void => {
    shell.navigate({ group: 'People', href: '/staff/receipts', label: 'Receipts', permission: 'receipts.read' });

    shell.get('/staff/receipts', 'receipts.read', (visit) => visit.page('receipts', { title: 'Receipts' }));
    shell.post('/staff/receipts', 'receipts.read', async (visit) => {
      const given = visit.field('receipt').slice(0, 100);
      const receipt = await receipts.get(given);
      if (receipt) return visit.go(`/staff/receipts/${receipt.id}`);
      const own = await ownPageOf(visit, given);
      if (own && !own.startsWith('/staff/receipts/')) return visit.go(own);
      await visit.again(
        'We found no receipt with this number. It has 20 letters and digits; dashes and capitals make no difference.',
        { status: 404 },
      );
    });

    shell.get('/staff/receipts/:id', 'receipts.read', async (visit) => {
      const receipt = await receiptFor(visit);
      await visit.record({ kind: 'look', what: 'receipt', contact: receipt.key, about: receipt.id });
      const id = receipt.event.id as EventId;
      const [proof, opening] = await Promise.all([proofs.proofFor(id), proofs.openingFor(id)]);
      await visit.page('receipt', {
        title: receipt.id,
        receipt,
        readout: spelled(receipt.event.id),
        scope: scopeWords(visit.pages, catalog, wholeScope(receipt.event.scope)),
        masked: parts.files.masked(receipt.contact),
        person: visit.may('people.view') ? `/staff/contacts/${contactKeyText(receipt.key)}` : undefined,
        proof,
        signers: signersOf(proof),
        opening: opening && { index: opening.index, salt: opening.salt.toString('hex'), canonical: opening.canonical },
        publicUrl: parts.publicUrl(),
      });
    });

    shell.get('/staff/receipts/:id/proof', 'receipts.read', async (visit) => {
      const receipt = await receiptFor(visit);
      const proof = await proofs.proofFor(receipt.event.id as EventId);
      if (proof === undefined) throw notYet();
      await visit.record({ kind: 'export', what: 'proof', contact: receipt.key, about: receipt.id });
      visit.response
        .type('text/plain; charset=utf-8')
        .set('Content-Disposition', `attachment; filename="${receipt.id}.tlog-proof"`)
        .send(proof);
    });
    shell.get('/staff/receipts/:id/entry', 'receipts.read', async (visit) => {
      const receipt = await receiptFor(visit);
      const entry = await proofs.entryFor(receipt.event.id as EventId);
      if (entry === undefined) throw notYet();
      await visit.record({ kind: 'export', what: 'proof', contact: receipt.key, about: receiptOf(receipt.event.id) });
      visit.response
        .type('application/octet-stream')
        .set('Content-Disposition', `attachment; filename="${receipt.id}.entry"`)
        .send(entry);
    });
  };
}
