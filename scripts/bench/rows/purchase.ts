import { buildTemplate } from '@freehold/appliance/dev/builds'
import { AppError } from '@freehold/appliance/errors/app-error'
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
    const before = await buildTemplate(report)
    const bare = await bareBootSeconds(3, report)
    const vm = await buyVm(report)
    await vm.stop()
    // a recipe that was edited meanwhile gives the host another image than the bare boots had
    if ((await buildTemplate(report)).sha256 !== before.sha256) {
      throw new AppError({ code: 'bad-input', detail: 'The guest image changed during the run.', hint: 'Run it again.' })
    }
    return [row('purchase to sshd (goal: 1.25 × bare boot + 3 s)', vm.secondsToSshd, 's', bootFactor * bare + rest, 1)]
  },
}
