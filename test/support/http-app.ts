import type { INestApplication } from '@nestjs/common';
import type { AddressInfo } from 'node:net';
import { compileApp, type TestApp, type TestAppOptions } from './app.js';

export interface HttpTestApp extends TestApp {
  readonly http: INestApplication;
  /** Sends a GET request to the application and reads the JSON it answers with. */
  get(path: string): Promise<unknown>;
}

/** Builds an application with an HTTP server that listens; the test closes it with `http.close()`. */
export async function startHttpApp(options: TestAppOptions): Promise<HttpTestApp> {
  const test = await compileApp(options);
  const http = test.app.createNestApplication({ logger: test.log });
  await http.listen(0, '127.0.0.1');
  const { port } = http.getHttpServer().address() as AddressInfo;
  return {
    ...test,
    http,
    get: async (path) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`);
      if (!response.ok) throw new Error(`GET ${path}: ${response.status}`);
      return response.json();
    },
  };
}
