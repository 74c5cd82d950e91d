import type { Clock } from '../../core/clock.js';
import { HushError } from '../../core/errors.js';
import type { Rights } from '../../rights/index.js';
import { LETTER_KINDS } from '../../rights/letters/letter.js';
import { recordLook, requestOf } from './request-page.js';
import type { StaffShell, Visit } from './shell.js';

/** Acts whose letter is seen before it goes. */
export const PREVIEWED: ReadonlySet<string> = new Set(['extend', 'deny', 'refuse']);

/** One of the list, or a fault that says which field. */
export function oneOf<T extends string>(visit: Visit, name: string, list: readonly T[]): T {
  const found = list.find((item) => item === visit.field(name));
  if (!found) throw new HushError('invalid', 'choose one of the list', { field: name, remedy: 'choose one' });
  return found;
}

/** A letter as it would go. Nothing is sent and nothing changes. */
export function requestPreviews(parts: { readonly rights: Rights; readonly clock: Clock }) {
  const { rights, clock } = parts;
  return (shell: StaffShell): void => {
    shell.post(
      '/staff/requests/:id/preview',
      'requests.work',
      async (visit) => {
        const { id } = await requestOf(visit, rights);
        oneOf(visit, 'letter', LETTER_KINDS);
        await visit.goWith(`/staff/requests/${id}/preview`, true);
      },
      '/staff/requests/:id',
    );

    /** The letter that the draft describes, with what was typed for it. */
    async function previewOf(visit: Visit) {
      const record = await requestOf(visit, rights);
      const kind = LETTER_KINDS.find((item) => item === visit.drafted('letter'));
      if (!kind) throw new HushError('not_found', 'there is no such preview');
      const reason = visit.drafted('reason');
      await recordLook(visit, record, clock, 'letter_preview', kind);
      const letter = await rights.post.letterOf(record, {
        kind,
        ...(reason ? { reason } : {}),
        explanation: visit.drafted('explanation'),
      });
      if (!letter) throw new HushError('conflict', 'the personal data of this request has been deleted', {});
      return { record, kind, letter, content: await rights.letters.preview(letter) };
    }

    shell.get('/staff/requests/:id/preview', 'requests.work', async (visit) => {
      const { record, kind, letter, content } = await previewOf(visit);
      const names = ['reason', 'explanation', 'letter', 'outcome', 'delivery'];
      await visit.page('request-preview', {
        title: `Preview: ${visit.pages.word('letter', kind)}`,
        record,
        content,
        to: letter.to,
        fields: names.map((name) => [name, visit.drafted(name)]).filter(([, value]) => value !== ''),
        act: visit.drafted('act'),
        draft: visit.query('draft'),
      });
    });

    shell.get('/staff/requests/:id/preview.pdf', 'requests.work', async (visit) => {
      const { content } = await previewOf(visit);
      visit.response
        .type('application/pdf')
        .set('Cache-Control', 'no-store')
        .set('Content-Disposition', 'attachment; filename="preview.pdf"')
        .send(content.pdf);
    });
  };
}
