import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { EMPTY_STATE, fold } from '../../src/core/fold.js';
import { viewAt } from '../../src/core/view.js';
import { history, question } from '../support/histories.js';

test('what a state showed at one time is not what it shows at another', () => {
  fc.assert(
    fc.property(history, fc.array(question, { minLength: 2, maxLength: 6 }), (events, questions) => {
      const state = fold(EMPTY_STATE, events);
      // A copy of the state has not been asked before.
      for (const { at } of [...questions, ...questions]) expect(viewAt(state, at)).toEqual(viewAt({ ...state }, at));
    }),
  );
});
