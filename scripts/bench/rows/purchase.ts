import { bareBootSeconds } from '../bare-boot.ts'
import { buyVm } from '../bought-vm.ts'
import { row, type Bench } from '../row.ts'

const bootFactor = 1.25
const rest = 3

export const purchase: Bench = {
  id: 'purchase',
  about: 'from the purchase to the sshd of the VM, against a bare QEMU boot of the same image',
  slow: true,
  async run(report) {
    const bare = await bareBootSeconds(3, report)
    const vm = await buyVm(report)
    await vm.stop()
    return [row('purchase to sshd (goal: 1.25 × bare boot + 3 s)', vm.secondsToSshd, 's', bootFactor * bare + rest, 1)]
  },
}
