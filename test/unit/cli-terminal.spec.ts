import { describe, expect, it } from '@jest/globals';
import { terminalOf } from '../../lib/inspect/cli/terminal.js';

const file = {};
const tty = { isTTY: true, columns: 90 };

describe('The terminal that a page is written for', () => {
  it('has 80 columns and no colours when it is a file or a pipe', () => {
    expect(terminalOf(file, {}, undefined)).toEqual({ width: 80, isColoured: false });
  });

  it.each([
    [60, 60],
    [100, 100],
    [250, 100],
    [10, 40],
    [0, 80],
  ])('of %i columns gets a page of %i', (columns, width) => {
    expect(terminalOf({ isTTY: true, columns }, {}, undefined)).toEqual({
      width,
      isColoured: true,
    });
  });

  it.each<[object, Record<string, string>, false | undefined, boolean]>([
    [tty, { NO_COLOR: '1' }, undefined, false],
    [tty, { NO_COLOR: '' }, undefined, true],
    [tty, { TERM: 'dumb' }, undefined, false],
    [tty, {}, false, false],
    [file, { FORCE_COLOR: '1' }, undefined, true],
    [file, { FORCE_COLOR: '1', NO_COLOR: '1' }, undefined, true],
    [file, { FORCE_COLOR: '1' }, false, false],
    [tty, { FORCE_COLOR: '0' }, undefined, false],
  ])('%j with %j and --no-color %s is coloured: %s', (stream, env, color, isColoured) => {
    expect(terminalOf(stream, env, color).isColoured).toBe(isColoured);
  });
});
