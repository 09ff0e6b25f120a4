import { guestRoot } from './lying-stand.ts'
import { signInSuite } from './sign-in-suite.ts'

// The guest's sshd, libpam and configuration, out of the template's root.
signInSuite('Debian 13', guestRoot)
