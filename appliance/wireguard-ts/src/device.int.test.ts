import { deviceSuite } from './device-suite.ts'
import { FakeWireGuard } from './fake/fake-device.ts'
import { KernelDevice } from './kernel-device.ts'
import { startUserspaceDaemon } from './userspace-daemon.ts'

let made = 0
/** Names are unique over all test files and namespaces: the sockets of the daemons share one folder. */
const freshName = (): string => `fhd${process.pid % 100000}x${(made += 1)}`

deviceSuite('fake', () => Promise.resolve(new FakeWireGuard().device('wg0')))

deviceSuite('UAPI', async (t) => {
  const daemon = await startUserspaceDaemon(freshName())
  t.after(() => daemon.stop())
  return daemon.device
})

// `wg` speaks to a userspace daemon as it does to the kernel: the same arguments, the same answers
deviceSuite('wg', async (t) => {
  const name = freshName()
  const daemon = await startUserspaceDaemon(name)
  t.after(() => daemon.stop())
  return new KernelDevice(name)
})
