import { Injectable } from '@nestjs/common';
import { inProcessEngine } from '../engine/in-process/in-process-engine.js';
import type { Engine } from '../engine/engine.js';
import { OptionsStore } from '../options/options-store.js';

/** The engine of the application: the one of the options, or one of its own. */
@Injectable()
export class RunningEngine {
  #engine: Engine | undefined;

  constructor(private readonly options: OptionsStore) {}

  get engine(): Engine {
    this.#engine ??= this.options.resolved.engine ?? inProcessEngine();
    return this.#engine;
  }
}
