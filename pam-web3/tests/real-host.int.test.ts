import { gateway, testInNamespace } from './in-namespace.ts'

// What the daemon and the module do together, for visitors who come as those of an embedded guest do.
await testInNamespace('real-host-suite.ts', [gateway])
