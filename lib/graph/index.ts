export { ApplicationGraph } from './application-graph.js';
export {
  livesInScope,
  type GraphEdge,
  type GraphModule,
  type GraphProvider,
  type Lifetime,
  LifetimeGraph,
} from './lifetime-graph.js';
export { readGraph } from './read-graph.js';
