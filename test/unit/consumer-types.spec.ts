import { Injectable, type InjectionToken } from '@nestjs/common';
import { describe, expect, it } from '@jest/globals';
import {
  ScopedConsumer,
  ScopedWorker,
  type Delivery,
  type MessageSource,
  type Tick,
} from '../../lib/index.js';
import { handlersOf } from '../../lib/decorators/handler-metadata.js';

interface Order {
  readonly id: number;
}
interface Mail {
  readonly to: string;
}

@Injectable()
class Orders implements MessageSource<Order> {
  async *read(): AsyncGenerator<Delivery<Order>> {}
}
abstract class AnyOrders implements MessageSource<Order> {
  abstract read(signal: AbortSignal): AsyncIterable<Delivery<Order>>;
}
const TYPED: InjectionToken<MessageSource<Order>> = Symbol('TYPED');
const UNTYPED = Symbol('UNTYPED');

class Store {
  keep(order: Order): number {
    return order.id;
  }
}

/** Checked by the compiler; what it must refuse is marked. */
@ScopedWorker()
class Accepted {
  @ScopedConsumer(Orders)
  byClass(tick: Tick<Order>): number {
    return tick.payload.id;
  }

  @ScopedConsumer(AnyOrders)
  byAbstractClass({ payload }: Tick<Order>): number {
    return payload.id;
  }

  @ScopedConsumer(TYPED)
  byTypedToken(tick: Tick<Order>): number {
    return tick.payload.id;
  }

  @ScopedConsumer(UNTYPED)
  bySymbol(tick: Tick<Mail>): string {
    return tick.payload.to;
  }

  @ScopedConsumer<Order>(UNTYPED)
  bySymbolThatIsTold(tick: Tick<Order>): number {
    return tick.payload.id;
  }

  @ScopedConsumer('orders')
  byString(tick: Tick<Order>): number {
    return tick.payload.id;
  }

  @ScopedConsumer(Orders)
  withoutTick(): void {}

  @ScopedConsumer(Orders)
  withAnyTick(tick: Tick): unknown {
    return tick.payload;
  }

  @ScopedConsumer(Orders)
  withWiderTick(tick: Tick<{ readonly id: number | string }>): unknown {
    return tick.payload.id;
  }

  @ScopedConsumer(Orders)
  withPiped(order: Order): number {
    return order.id;
  }

  @ScopedConsumer(Orders)
  async later(tick: Tick<Order>): Promise<number> {
    return tick.payload.id;
  }

  @ScopedConsumer(Orders, {
    maxDeliveries: 3,
    deadLetter: async (letter, resolve) => (await resolve(Store)).keep(letter.body),
  })
  withDeadLetters(tick: Tick<Order>): number {
    return tick.payload.id;
  }

  @ScopedConsumer(UNTYPED, {
    deadLetter: ({ id, body }, resolve) => resolve(Store).then(() => [id, String(body)]),
  })
  withUnknownDeadLetters(tick: Tick<Order>): number {
    return tick.payload.id;
  }

  @ScopedConsumer(UNTYPED, { deadLetter: ({ body }: { body: Order }) => body.id })
  withDeadLettersThatAreTold(tick: Tick<Order>): number {
    return tick.payload.id;
  }
}

class Refused {
  // @ts-expect-error -- the source delivers orders
  @ScopedConsumer(Orders)
  byClass(tick: Tick<Mail>): string {
    return tick.payload.to;
  }

  // @ts-expect-error -- the token is that of a source of orders
  @ScopedConsumer(TYPED)
  byTypedToken(tick: Tick<Mail>): string {
    return tick.payload.to;
  }

  // @ts-expect-error -- it is said that they are orders
  @ScopedConsumer<Order>(UNTYPED)
  bySymbolThatIsTold(tick: Tick<Mail>): string {
    return tick.payload.to;
  }

  // @ts-expect-error -- dead letters and messages differ
  @ScopedConsumer(UNTYPED, { deadLetter: ({ body }: { body: Order }) => body.id })
  withOtherDeadLetters(tick: Tick<Mail>): string {
    return tick.payload.to;
  }

  @ScopedConsumer(Orders, {
    // @ts-expect-error -- the body of a letter is an order
    deadLetter: (letter) => letter.body.to,
  })
  withDeadLetters(tick: Tick<Order>): number {
    return tick.payload.id;
  }
}

describe('@ScopedConsumer', () => {
  it('is typed for the compiler only: each method is a handler', () => {
    expect(handlersOf(Accepted)).toHaveLength(14);
    expect(handlersOf(Refused)).toHaveLength(5);
  });
});
