import { addresses, lateComer } from './crowd.ts'
import { testInNamespace } from './in-namespace.ts'

// 200 logins from 25 addresses, and one more, of a namespace of its own.
await testInNamespace('load-suite.ts', [...addresses, lateComer])
