import { gateway, testInNamespace } from './in-namespace.ts'

// A multisignature wallet at a real sshd, for visitors who come as those of an embedded guest do.
await testInNamespace('contract-wallet-suite.ts', [gateway])
