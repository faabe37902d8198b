import { SetMetadata } from '@nestjs/common';

/** Decorators of other libraries, as far as the tests use them. */
interface ForeignDecorators {
  readonly Processor: (queue: string) => ClassDecorator;
  readonly WebSocketGateway: () => ClassDecorator;
  readonly OnEvent: (event: string) => MethodDecorator;
  readonly EventPattern: (pattern: string) => MethodDecorator;
  readonly MessagePattern: (pattern: string) => MethodDecorator;
}

/**
 * Those of the installed packages. These releases cannot be loaded beside Nest 11, so there the same metadata is set
 * under the same keys.
 */
export const { Processor, WebSocketGateway, OnEvent, EventPattern, MessagePattern } = await (process
  .env['NEST']
  ? standIns()
  : installed());

/** `@RabbitSubscribe()` of `@golevelup/nestjs-rabbitmq` 9, which is not installed: its key is a symbol of that copy. */
export const RabbitSubscribe = (config: object): MethodDecorator =>
  SetMetadata(RABBIT_HANDLER as unknown as string, { type: 'subscribe', ...config });
const RABBIT_HANDLER = Symbol('RABBIT_HANDLER');

async function installed(): Promise<ForeignDecorators> {
  const [bullmq, events, microservices, websockets] = await Promise.all([
    import('@nestjs/bullmq'),
    import('@nestjs/event-emitter'),
    import('@nestjs/microservices'),
    import('@nestjs/websockets'),
  ]);
  return {
    Processor: bullmq.Processor as ForeignDecorators['Processor'],
    OnEvent: events.OnEvent,
    EventPattern: microservices.EventPattern,
    MessagePattern: microservices.MessagePattern,
    WebSocketGateway: websockets.WebSocketGateway,
  };
}

async function standIns(): Promise<ForeignDecorators> {
  return {
    Processor: (name) => (target) => {
      SetMetadata('scope:options', { name })(target);
      SetMetadata('bullmq:processor_metadata', { name })(target);
    },
    OnEvent: (event) => SetMetadata('EVENT_LISTENER_METADATA', [{ event }]),
    EventPattern: () => SetMetadata('microservices:handler_type', 2),
    MessagePattern: () => SetMetadata('microservices:handler_type', 1),
    WebSocketGateway: () => SetMetadata('websockets:is_gateway', true),
  };
}
