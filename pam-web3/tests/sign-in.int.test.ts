import { signInSuite } from './sign-in-suite.ts'

// This machine's own sshd; the guest's is played in debian13.int.test.ts by the same suite.
signInSuite('sshd', () => Promise.resolve(undefined))
