import { signInSuite } from './sign-in-suite.ts'

// This machine's own sshd. Only with FREEHOLD_ALL=1: the same suite is played by the guest's sshd in debian13.int.test.ts, and
// this machine's carries the tables of attacks and of bad input by default; the half minute more shows nothing of a guest.
if (process.env['FREEHOLD_ALL'] === '1') signInSuite('sshd', () => Promise.resolve(undefined))
