// Makes the package that npm can publish: JavaScript and types, for Node and for bundlers. Usage: node package.ts [FOLDER]
import { makeNpmPackage } from '../../scripts/npm-package.ts'

makeNpmPackage({ here: import.meta.dirname, target: 'es2022', manifest: { engines: { node: '>=20' }, sideEffects: false } })
