import { HttpAppModule } from './app.modules.js';

/** The whole application for `nestjs-scoped-worker inspect`, which opens no connection, so the database needn't exist. */
export const InspectedModule = HttpAppModule.on('postgres://localhost/inspected');
