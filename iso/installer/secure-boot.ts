import { readFile } from 'node:fs/promises'
import type { Profile } from './answers.ts'
import { InstallFault } from './fault.ts'

/** What the firmware says of itself (UEFI 2.10, 3.3): four bytes of attributes, then 1: only signed programs are started. */
export const secureBootVariable = '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c'

/** Whether Secure Boot is on; a machine without that variable (BIOS) has none. */
export const secureBootOn = (variable = secureBootVariable): Promise<boolean> =>
  readFile(variable).then(
    (bytes) => bytes.at(-1) === 1,
    () => false,
  )

/** Throws `secure-boot-on` where the profile's kernel would be refused at the next start. */
export function checkSecureBoot(profile: Profile, on: boolean): void {
  if (profile !== 'proxmox' || !on) return
  throw new InstallFault('secure-boot-on', {
    wrong:
      'Secure Boot is on, and profile proxmox cannot start with it: the boot loader is Debian’s and refuses the kernel of Proxmox, which Debian did not sign.',
    seen: ['SecureBoot = 1 (said by the firmware)', 'profile: proxmox'],
    remedy:
      'Turn Secure Boot off in the setup of the firmware and start from the medium again; or choose profile libvirt, which starts with Secure Boot. Nothing was written to any disk.',
  })
}
