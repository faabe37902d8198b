import { HttpAppModule } from './app.modules.js';

/** The whole application for `nestjs-scoped-worker inspect`, which opens no connection: no database needs to have this URL. */
export const InspectedModule = HttpAppModule.on('postgres://localhost/inspected');
