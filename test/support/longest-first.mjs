/**
 * Runs the longest files first, so that no core idles at the end: by their durations of the last run on this machine, and
 * before there is one, journeys, then what needs stores, then units, in each the largest file first.
 */
import TestSequencer from '@jest/test-sequencer';

const PROJECTS = ['journeys', 'stores', 'unit'];

export default class LongestFirst extends TestSequencer {
  sort(tests) {
    const place = new Map(super.sort(tests).map((test, index) => [test, index]));
    const rank = ({ context }) => PROJECTS.indexOf(context.config.displayName.name);
    return [...tests].sort((a, b) => {
      if (a.duration !== undefined && b.duration !== undefined) return b.duration - a.duration;
      return rank(a) - rank(b) || place.get(a) - place.get(b);
    });
  }
}
