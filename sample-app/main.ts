import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { HttpAppModule } from './app.modules.js';
import { CannotStart } from './start-up/cannot-start.js';
import { runSample } from './start-up/run-sample.js';
import { TerminalLogger } from './terminal/terminal-logger.js';

/** Runs the workers and an HTTP server. */
await runSample(async ({ port }, databaseUrl) => {
  const app = await NestFactory.create(HttpAppModule.on(databaseUrl), {
    logger: new TerminalLogger(),
    abortOnError: false,
  });
  try {
    await app.listen(port);
  } catch (error) {
    await app.close();
    throw portRefused(port, error);
  }
  const { port: listening } = app.getHttpServer().address() as { port: number };
  console.log(
    `Listening on http://localhost:${listening}: /readings, /reports, /orders, /dead-letters, /sync, /schedules, /ticks`,
  );
  return app;
});

function portRefused(port: number, error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE') {
    return new CannotStart(
      `port ${port} is in use by another program. Stop that program, or set PORT to another port.`,
    );
  }
  if (code === 'EACCES') {
    return new CannotStart(`this user may not open port ${port}. Set PORT to one above 1023.`);
  }
  return error;
}
