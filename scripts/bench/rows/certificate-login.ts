import { execFile } from 'node:child_process'
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createLyingHost, holder, secret } from '../../../pam-web3/tests/lying-host.ts'
import { createStand } from '../../../pam-web3/tests/stand.ts'
import { publicKeyLogin } from '../public-key-login.ts'
import { median, row, type Bench } from '../row.ts'

const runs = 15

export const certificateLogin: Bench = {
  id: 'certificate-login',
  about: 'a login by certificate, which asks the host, against one with a plain key on the same sshd, medians of 15 (root)',
  slow: false,
  async run(report) {
    const folder = await mkdtemp(join(tmpdir(), 'freehold-bench-'))
    const stand = await createStand()
    const host = await createLyingHost(stand.fingerprint)
    try {
      await stand.setFacts(host.facts, secret)
      host.presence = { holder: holder.address.toLowerCase(), activeUntil: 1_900_000_000, blockNumber: 1, reason: null }
      const run = promisify(execFile)
      for (const name of ['plain', 'certified']) {
        await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', join(folder, name)], { timeout: 10_000 })
      }
      await copyFile(join(folder, 'plain.pub'), stand.authorizedKeys)
      const sign = ['-q', '-s', stand.userCa, '-I', 'ab'.repeat(16), '-n', 'vm:4eff3c5b1f35:42:1', '-V', '-5m:+10m']
      await run('ssh-keygen', [...sign, join(folder, 'certified.pub')], { timeout: 10_000 })
      const knownHosts = join(folder, 'known_hosts')
      await writeFile(knownHosts, `[127.0.0.1]:${stand.port} ${stand.hostKey}\n`)
      const at = { host: '127.0.0.1', port: stand.port, user: 'owner', knownHosts }
      const login = (keyFile: string) =>
        publicKeyLogin({
          ...at,
          keyFile: join(folder, keyFile),
          ...(keyFile === 'certified' && { certificateFile: join(folder, 'certified-cert.pub') }),
        })
      await login('plain')
      const [plain, certified]: [number[], number[]] = [[], []]
      // in turn, so that a busy moment of the machine meets both
      for (let i = 0; i < runs; i += 1) {
        plain.push(await login('plain'))
        certified.push(await login('certified'))
      }
      report(`by certificate ${median(certified).toFixed(0)} ms, with a key ${median(plain).toFixed(0)} ms`)
      return [row('login by certificate, more than with a key', median(certified) - median(plain), 'ms', 20, 0)]
    } finally {
      await host.stop()
      await stand.stop()
      await rm(folder, { recursive: true, force: true })
    }
  },
}
