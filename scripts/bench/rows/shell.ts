import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { loginRequestSchema } from '@freehold/appliance/api/schemas/sign-in'
import { approve } from '@freehold/appliance/cli/session'
import { sshLogin } from '@freehold/appliance/dev/ssh-login'
import { AppError } from '@freehold/appliance/errors/app-error'
import { buyVm, type BoughtVm } from '../bought-vm.ts'
import { publicKeyLogin } from '../public-key-login.ts'
import { median, row, type Bench } from '../row.ts'

const runs = 5

export const shell: Bench = {
  id: 'shell',
  about: 'from an approved login to the shell, against a login with a key on the same sshd, medians of 5',
  slow: true,
  async run(report) {
    const folder = await mkdtemp(join(tmpdir(), 'freehold-bench-'))
    try {
      const vm = await buyVm(report)
      try {
        const keyFile = join(folder, 'key')
        const knownHosts = join(folder, 'known_hosts')
        await promisify(execFile)('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', keyFile], { timeout: 10_000 })
        await writeFile(knownHosts, `${vm.ssh.knownHostsLine}\n`)
        const key = (await readFile(`${keyFile}.pub`, 'utf8')).trim()
        await walletLogin(vm, `mkdir -p -m 700 .ssh && echo '${key}' >> .ssh/authorized_keys && echo ready`)
        const [wallet, bare]: [number[], number[]] = [[], []]
        // in turn, so that a busy moment of the machine meets both
        for (let i = 0; i < runs; i += 1) {
          const { host, port, user } = vm.ssh
          bare.push(await publicKeyLogin({ host, port, user, keyFile, knownHosts }))
          wallet.push(await walletLogin(vm, 'echo ready'))
          report(`with a wallet ${wallet.at(-1)?.toFixed(0)} ms, with a key ${bare.at(-1)?.toFixed(0)} ms`)
        }
        return [row('shell after approval, more than with a key', median(wallet) - median(bare), 'ms', 250, 0)]
      } finally {
        await vm.stop()
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  },
}

/** Milliseconds from Enter after the approval to the first byte of the command. */
async function walletLogin(vm: BoughtVm, command: string): Promise<number> {
  const { exitCode, shellMs, screen } = await sshLogin({
    ...vm.ssh,
    command: [command],
    async onUrl(url) {
      const view = await vm.client.call(
        loginRequestSchema,
        'GET',
        `/v1/login-requests/${new URL(url).pathname.split('/').at(-1)}`,
      )
      return (await approve(vm.client, view, vm.holder, vm.origin)).replyCode ?? ''
    },
  })
  if (exitCode !== 0 || shellMs === null) {
    throw new AppError({ code: 'process-failed', detail: `The login with a wallet failed: ${screen.slice(-600)}` })
  }
  return shellMs
}
