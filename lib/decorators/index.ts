export { InjectTick } from './inject-tick.decorator.js';
export { ScopedConsumer } from './consumer.decorator.js';
export { ScopedCron } from './schedule.decorators.js';
export { ScopedInterval } from './scoped-interval.decorator.js';
export { ScopedTimeout } from './scoped-timeout.decorator.js';
export { ScopedWorker } from './provider.decorators.js';
export { StaysSingleton } from './stays-singleton.decorator.js';
