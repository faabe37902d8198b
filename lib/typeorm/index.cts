// For `require()`: the same module, which Node can load from CommonJS. TypeScript treats its types
// as those of a CommonJS module.
import library = require('./index.js');

export = library;
