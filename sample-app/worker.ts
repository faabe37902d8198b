import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { WorkersModule } from './app.modules.js';
import { runSample } from './start-up/run-sample.js';
import { TerminalLogger } from './terminal/terminal-logger.js';

/** Runs the same workers in a process without HTTP. */
await runSample((_settings, databaseUrl) =>
  NestFactory.createApplicationContext(WorkersModule.on(databaseUrl), {
    logger: new TerminalLogger(),
    abortOnError: false,
  }),
);
