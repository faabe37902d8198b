import { Module } from '@nestjs/common';
import { NestInside } from '../nest/index.js';
import { WorkerHost } from './worker-host.js';

/**
 * The place of the host among the application's modules: the last to bootstrap, the first to be
 * destroyed. It has no other provider, because the hooks of one module run together.
 */
@Module({ providers: [WorkerHost] })
export class HostingModule {
  constructor(nest: NestInside) {
    nest.stopFirst(HostingModule);
  }
}
