// Makes the package that npm can publish: JavaScript and types for Node 22 and later. Usage: node package.ts [FOLDER]
import { makeNpmPackage } from '../../scripts/npm-package.ts'

makeNpmPackage({
  here: import.meta.dirname,
  target: 'es2023',
  // what only tests use
  leaveOut: ['device-suite.ts'],
  manifest: { engines: { node: '>=22' } },
})
