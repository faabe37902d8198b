// For `require()`: the same module, which Node loads from CommonJS. TypeScript takes its types for those of CommonJS.
import library = require('./index.js');

export = library;
