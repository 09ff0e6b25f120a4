import { hypervisorSuite } from '../contract-suite.ts'
import { openTwin, tinyGuest } from './test-stand.ts'

hypervisorSuite('libvirt', async (t) => openTwin(t, await tinyGuest()))
