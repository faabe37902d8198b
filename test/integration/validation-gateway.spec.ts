import { afterEach, describe, expect, it } from '@jest/globals';
import { Inject, Injectable } from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { closeApps } from '../support/app.js';
import { RequestScoped, worker } from '../support/probes.js';
import { findingsOf, Gateway } from '../support/validation.js';

@RequestScoped()
class Session {}

@RequestScoped()
class RequestReader {
  constructor(@Inject(REQUEST) readonly request: unknown) {}
}

/** Nest never constructs such a gateway: it hands messages to an object on which no dependency is set. */
describe('A gateway that is request-scoped', () => {
  afterEach(closeApps);

  it('is reported when it injects itself what a worker injects', async () => {
    @Gateway()
    @Injectable()
    class Chat {
      constructor(readonly session: Session) {}
    }
    const findings = await findingsOf({ providers: [Session, Chat, worker([Session])] });
    expect(findings).toMatchObject([{ kind: 'controller-rebuilt', subject: 'Chat' }]);
  });

  it('is reported when what it injects reads the request', async () => {
    @Gateway()
    @Injectable()
    class Chat {
      constructor(readonly reader: RequestReader) {}
    }
    const findings = await findingsOf({
      providers: [RequestReader, Chat, worker([RequestReader])],
    });
    expect(findings).toMatchObject([{ kind: 'controller-rebuilt', subject: 'Chat' }]);
  });
});
