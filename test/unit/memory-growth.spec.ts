import { KeptShare } from '../../lib/memory/kept-share.js';
import { GrowthEstimates } from '../../lib/memory/schedule-growth.js';
import { MIB } from '../../lib/memory/process-memory.js';

/** Lets the ticks of a stretch end, and returns by how much the heap has grown over it. */
function stretch(growth: GrowthEstimates, ended: readonly string[], grownBytes: number): void {
  const before = growth.counts();
  for (const schedule of ended) growth.ended(schedule);
  growth.learn(before, grownBytes);
}

const estimateOf = (growth: GrowthEstimates, name: string) =>
  growth.estimates().find(({ schedule }) => schedule === name);

const listed = (growth: GrowthEstimates, keptShare = 1) => growth.growing(keptShare);

describe('The growth of schedules', () => {
  describe('when stretches have ticks of one schedule', () => {
    it('is the average of what a tick leaves', () => {
      const growth = new GrowthEstimates();
      for (const grown of [90, 110, 100, 500, 100]) stretch(growth, ['a'], grown * MIB);
      expect(listed(growth)).toEqual([
        { schedule: 'a', ticks: 5, measuredTicks: 5, bytesPerTick: 100 * MIB, bytes: 500 * MIB },
      ]);
    });

    it('is shared among several of its ticks', () => {
      const growth = new GrowthEstimates();
      for (const grown of [40, 40]) stretch(growth, ['a', 'a', 'a', 'a'], grown);
      expect(estimateOf(growth, 'a')).toMatchObject({
        ticks: 8,
        measuredTicks: 8,
        bytesPerTick: 10,
      });
    });

    it('is reported for all its ticks, those that were not measured included', () => {
      const growth = new GrowthEstimates();
      for (let tick = 0; tick < 6; tick += 1) growth.ended('a');
      for (const grown of [MIB, MIB, MIB, MIB]) stretch(growth, ['a'], grown);
      expect(listed(growth)).toMatchObject([{ ticks: 10, measuredTicks: 4, bytes: 10 * MIB }]);
    });

    it('follows a schedule that begins to grow after a thousand ticks', () => {
      const growth = new GrowthEstimates();
      for (let tick = 0; tick < 1_000; tick += 1) stretch(growth, ['a'], 0);
      for (let tick = 0; tick < 20; tick += 1) stretch(growth, ['a'], MIB);
      expect(listed(growth)[0]!.bytesPerTick).toBeGreaterThan(0.8 * MIB);
    });

    it('is reported after a fourth stretch only', () => {
      const growth = new GrowthEstimates();
      for (let tick = 0; tick < 3; tick += 1) stretch(growth, ['a'], 9 * MIB);
      expect(listed(growth)).toEqual([]);
      stretch(growth, ['a'], 9 * MIB);
      expect(listed(growth)).toHaveLength(1);
    });

    it.each([-50 * MIB, 50 * MIB])('is not hidden or made by one odd figure: %p', (odd) => {
      const growth = new GrowthEstimates();
      for (const grown of [MIB, MIB, odd, MIB, MIB]) stretch(growth, ['a'], grown);
      for (const grown of [0, 0, odd, 0, 0]) stretch(growth, ['b'], grown);
      expect(listed(growth)).toMatchObject([{ schedule: 'a', bytesPerTick: MIB }]);
    });

    it('is seen when one tick in three leaves something', () => {
      const growth = new GrowthEstimates();
      for (let tick = 0; tick < 40; tick += 1) stretch(growth, ['a'], tick % 3 === 0 ? 3 * MIB : 0);
      expect(listed(growth)[0]!.bytesPerTick).toBeGreaterThan(0.7 * MIB);
    });

    it.each([
      ['nothing', [0, 0, 0, 0]],
      ['less and less', [-MIB, -MIB, -MIB]],
      ['now more, now less', [5 * MIB, -4 * MIB, 4 * MIB, -3 * MIB, MIB]],
    ])('does not exist for a schedule that leaves %s', (_what, figures) => {
      const growth = new GrowthEstimates();
      for (const grown of figures) stretch(growth, ['a'], grown);
      expect(listed(growth)).toEqual([]);
    });

    it.each([
      [MIB / 10 - 1, []],
      [MIB / 10 + 1, ['a']],
    ])('is reported from one MiB in all on: ten ticks of %p bytes', (bytes, names) => {
      const growth = new GrowthEstimates();
      for (let tick = 0; tick < 10; tick += 1) stretch(growth, ['a'], bytes);
      expect(listed(growth).map(({ schedule }) => schedule)).toEqual(names);
    });
  });

  describe('when there are several schedules', () => {
    it('begins with the one that has added most in all, not with the greatest tick', () => {
      const growth = new GrowthEstimates();
      for (let tick = 0; tick < 4; tick += 1) stretch(growth, ['rare'], 2 * MIB);
      for (let tick = 0; tick < 100; tick += 1) stretch(growth, ['often'], MIB / 10);
      expect(listed(growth).map(({ schedule }) => schedule)).toEqual(['often', 'rare']);
    });

    it('separates them when they overlap, as far as they do not always come together', () => {
      const growth = new GrowthEstimates();
      for (let round = 0; round < 60; round += 1) {
        stretch(growth, ['grower', 'other'], MIB);
        stretch(growth, ['other'], 0);
        stretch(growth, ['other', 'other', 'grower'], MIB);
      }
      expect(estimateOf(growth, 'grower')!.bytesPerTick).toBeGreaterThan(0.9 * MIB);
      expect(Math.abs(estimateOf(growth, 'other')!.bytesPerTick)).toBeLessThan(0.1 * MIB);
    });

    it('halves what two leave that always come together', () => {
      const growth = new GrowthEstimates();
      for (let round = 0; round < 20; round += 1) stretch(growth, ['a', 'b'], MIB);
      expect(listed(growth).map(({ bytesPerTick }) => bytesPerTick)).toEqual([MIB / 2, MIB / 2]);
    });
  });

  it('knows nothing of a schedule that was forgotten', () => {
    const growth = new GrowthEstimates();
    for (const grown of [MIB, MIB]) stretch(growth, ['a'], grown);
    growth.forget('a');
    expect(growth.estimates()).toEqual([]);
  });

  it('is not confused by a schedule that is forgotten and comes back within a stretch', () => {
    const growth = new GrowthEstimates();
    growth.ended('a');
    growth.ended('a');
    const before = growth.counts();
    growth.forget('a');
    growth.ended('a');
    growth.learn(before, MIB);
    expect(estimateOf(growth, 'a')).toMatchObject({ ticks: 1, measuredTicks: 0, bytesPerTick: 0 });
  });
});

describe('The share of growth that stays', () => {
  /** A schedule whose ticks leave one MiB each, with ten ticks between two full collections. */
  function shareAfter(...heapsMb: number[]): number {
    const growth = new GrowthEstimates();
    const share = new KeptShare();
    for (const heapMb of heapsMb) {
      share.note(heapMb * MIB, growth);
      for (let tick = 0; tick < 10; tick += 1) stretch(growth, ['a'], MIB);
    }
    return share.of(growth);
  }

  it.each<[string, number, number[]]>([
    ['all', 1, [50, 60, 70]],
    ['half', 0.5, [50, 55, 60]],
    ['nothing', 0, [50, 50, 50]],
    ['nothing', 0, [50, 40]],
    ['all, and the heap grows by others as well', 1, [50, 90]],
    ['all, as nothing is known yet', 1, []],
    ['all, as nothing can be compared yet', 1, [50]],
  ])('is %s, %p, when full collections find so many MiB: %p', (_what, share, heapsMb) => {
    expect(shareAfter(...heapsMb)).toBeCloseTo(share);
  });

  it('is all while what ticks leave is small beside the heap', () => {
    expect(shareAfter(101, 91)).toBe(1);
    expect(shareAfter(100, 91)).toBe(0);
  });

  it('compares also when collections come thick and fast', () => {
    const growth = new GrowthEstimates();
    const share = new KeptShare();
    for (let round = 0; round < 10; round += 1) {
      for (let more = 0; more < 20; more += 1) share.note(50 * MIB, growth);
      for (let tick = 0; tick < 5; tick += 1) stretch(growth, ['a'], MIB);
    }
    expect(share.of(growth)).toBe(0);
  });

  it('looks ten collections back: growth of long ago counts no more', () => {
    expect(shareAfter(10, 20, 30, ...Array.from({ length: 10 }, () => 40))).toBe(0);
  });

  it('shrinks what is reported of each schedule', () => {
    const growth = new GrowthEstimates();
    for (let tick = 0; tick < 4; tick += 1) stretch(growth, ['a'], 8 * MIB);
    expect(listed(growth, 0.25)).toMatchObject([{ bytesPerTick: 2 * MIB, bytes: 8 * MIB }]);
    expect(listed(growth, 0)).toEqual([]);
  });
});

describe('Growth that full collections confirm', () => {
  const KB = 1024;
  /** A schedule whose ticks leave so much, as far as collections of young garbage show. */
  function suspect(bytesPerTick: number): GrowthEstimates {
    const growth = new GrowthEstimates();
    for (let tick = 0; tick < 100; tick += 1) stretch(growth, ['a'], bytesPerTick);
    return growth;
  }
  function confirm(growth: GrowthEstimates, figuresKB: readonly number[]): void {
    for (const figure of figuresKB) growth.confirm('a', figure * KB, 1);
  }
  const isConfirmed = (growth: GrowthEstimates): boolean => estimateOf(growth, 'a')!.isConfirmed;

  it.each<[string, readonly number[], boolean]>([
    ['grows when each tick adds data', [117, 117, 224, 116, 116, 117, 118], true],
    ['grows when V8 took back a page in one tick', [117, -40, 117, 116, 116, 117, 118], true],
    ['replaces data when its median is an accident', [142, 25, -143, -11, 12, 20, 111], false],
    ['replaces data when its median is below nothing', [-15, -15, 64, -15, -14, 67, -14], false],
    ['replaces data when most figures are accidents', [-13, 67, -13, -13, 66, 66, 65], false],
  ])('says of a schedule that it %s: %p KB', (_what, figures, grows) => {
    const growth = suspect(320 * KB);
    confirm(growth, figures);

    expect(isConfirmed(growth)).toBe(true);
    expect(listed(growth).map(({ schedule }) => schedule)).toEqual(grows ? ['a'] : []);
  });

  const CLEAN = [119, 120, 119, 121, 168, 119, 122];

  it.each<[string, readonly number[]]>([
    ['too great', [235, 119, 122, 230, 124, 226, 217]],
    ['too small', [120, 5, 112, 119, -126, 121, 119]],
    ['too great or too small', [208, 120, 228, 119, 20, 210, 161]],
  ])('does not count while some figures are %s: %p KB', (_what, scattered) => {
    const growth = suspect(138 * KB);
    confirm(growth, scattered);
    expect(isConfirmed(growth)).toBe(false);
    expect(growth.needsConfirmation('a')).toBe(true);

    confirm(growth, CLEAN);
    expect(isConfirmed(growth)).toBe(true);
    expect(growth.needsConfirmation('a')).toBe(false);
    expect(listed(growth)).toMatchObject([{ bytesPerTick: 120 * KB }]);
  });

  it('is not repeated when the figures agree but for one at each end', () => {
    const growth = suspect(138 * KB);
    confirm(growth, [119, -126, 119, 121, 231, 119, 122]);
    expect(listed(growth)).toMatchObject([{ bytesPerTick: 119 * KB }]);
  });

  it('keeps the last figure that counts while a later confirmation scatters', () => {
    const growth = suspect(138 * KB);
    confirm(growth, CLEAN);
    confirm(growth, [235, 119, 122, 230, 124, 226, 217]);
    expect(listed(growth)).toMatchObject([{ bytesPerTick: 120 * KB }]);
  });

  it('is the median of 21 figures when they scatter three times', () => {
    const growth = suspect(100 * KB);
    for (let time = 0; time < 3; time += 1) {
      expect(isConfirmed(growth)).toBe(false);
      confirm(growth, [40, 60, 80, 100, 120, 140, 160]);
    }
    expect(listed(growth)).toMatchObject([{ bytesPerTick: 100 * KB }]);
  });
});
