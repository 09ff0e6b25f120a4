import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import getPort from 'get-port'
import { fingerprintAt, fingerprintOnScreen, openStand } from '../../../iso/stand.ts'
import { row, type Bench } from '../row.ts'

export const image: Bench = {
  id: 'image',
  about:
    'the image installs itself and serves the wizard in an emulated machine, against a bare image of its size to its login prompt (root)',
  slow: true,
  async run(report) {
    const stand = await openStand()
    try {
      const script = resolve(import.meta.dirname, '../../build-iso.sh')
      const bytes = statSync(stand.iso).size
      const file = execFileSync(script, ['--bare', String(bytes)], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'inherit'],
      }).trim()
      report(`bytes: ${bytes}, bare ${statSync(file).size}`)

      const prompt = async (): Promise<number> => {
        const from = performance.now()
        const machine = await stand.start({ iso: { file, as: 'usb' } })
        await machine.waitFor(/login:/, 1200)
        const seconds = (performance.now() - from) / 1000
        report(`bare image at its prompt after ${seconds.toFixed(1)} s, ${(await machine.cpuSeconds()).toFixed(0)} s of CPU`)
        await machine.cut()
        return seconds
      }
      const before = await prompt()
      const disk = stand.disk('BENCH', 12)
      const from = performance.now()
      let installed = 0
      const said = await stand.install(disk, {}, undefined, () => (installed = (performance.now() - from) / 1000))
      report(
        `installed after ${installed.toFixed(1)} s: ${[...said.matchAll(/FREEHOLD-INSTALL (\S+) (\S+)/g)].map(([, at, phase]) => `${phase} ${at}`).join(', ')}`,
      )
      const httpsPort = await getPort({ host: '127.0.0.1' })
      const begun = performance.now()
      const machine = await stand.start({ disks: [disk], httpsPort })
      const shown = await fingerprintOnScreen(machine, 1200)
      if ((await fingerprintAt(httpsPort, 300)) !== shown) throw new Error('the wizard answers under another certificate')
      const wizard = (performance.now() - begun) / 1000
      report(`wizard after ${wizard.toFixed(1)} s, ${(await machine.cpuSeconds()).toFixed(0)} s of CPU`)
      await machine.cut()
      // before and after ours, and the mean: a busy moment of the machine is not laid on one of them alone
      const bare = (before + (await prompt())) / 2
      return [
        row('image: size', bytes / 1e6, 'MB', 700),
        row('image: boot to installed', installed, 's', 75, 1),
        row('image: boot of the disk to the wizard', wizard, 's', 150, 1),
        row('image: installed, against a bare image at its prompt', installed / bare, '×', 1.5),
      ]
    } finally {
      await stand.close()
    }
  },
}
