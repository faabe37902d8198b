export { InjectTick } from './inject-tick.decorator.js';
export { ScopedConsumer } from './scoped-consumer.decorator.js';
export { ScopedCron } from './scoped-cron.decorator.js';
export { ScopedInterval } from './scoped-interval.decorator.js';
export { ScopedTimeout } from './scoped-timeout.decorator.js';
export { ScopedWorker } from './scoped-worker.decorator.js';
export { StaysSingleton } from './stays-singleton.decorator.js';
