import * as common from '@nestjs/common';
import { UnsupportedNestError } from '../../lib/index.js';
import { refuseOldNest } from '../../lib/nest/supported-nest.js';

/** What `@nestjs/common` 10 exports, as far as it matters. The smoke test has an application of Nest 10 itself. */
const { IntrinsicException: _, ...older } = common;

describe('The supported versions of Nest', () => {
  it('include the one that runs these tests', () => {
    expect(() => refuseOldNest()).not.toThrow();
    expect(() => refuseOldNest(common)).not.toThrow();
  });

  it('exclude those that destroy modules in the order in which they initialise them', () => {
    expect(() => refuseOldNest(older)).toThrow(UnsupportedNestError);
  });
});
