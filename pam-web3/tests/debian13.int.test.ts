import { builtTemplate } from '../../template-vm/checks/built-template.ts'
import { signInSuite } from './sign-in-suite.ts'

// The guest's sshd, libpam and configuration, out of the template's root. FREEHOLD_TEMPLATE_ROOT names another tar of a root.
signInSuite('Debian 13', async () => process.env['FREEHOLD_TEMPLATE_ROOT'] ?? (await builtTemplate()).root)
