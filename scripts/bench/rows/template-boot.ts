import { bareBootSeconds } from '../bare-boot.ts'
import { row, type Bench } from '../row.ts'

export const templateBoot: Bench = {
  id: 'template-boot',
  about: 'bare QEMU boot of the guest image to sshd, median of 3',
  slow: false,
  async run(report) {
    return [row('template boot to sshd', await bareBootSeconds(3, report), 's', 30, 1)]
  },
}
