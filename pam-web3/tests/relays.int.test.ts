import { gateway, testInNamespace } from './in-namespace.ts'

// What a person may try against an honest host, for visitors who come as those of an embedded guest do.
await testInNamespace('relays-suite.ts', [gateway])
