import { execFile } from 'node:child_process'
import { appendFileSync } from 'node:fs'
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname, release } from 'node:os'
import { dirname } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { secureBootOn } from '../installer/secure-boot.ts'
import { fetchWhole } from './fetch.ts'
import { profileSteps, type ProxmoxMachine, type Told } from './steps.ts'

// freehold-proxmox: makes an installed host a Proxmox host, over a restart in the middle. Until it is done nothing of ours waits
// for it: the wizard answers, and says what this waits for.
const noticeFile = '/run/freehold-profile/notice'
const doneFile = '/etc/freehold/profile-done'

const run = (program: string, args: readonly string[]): Promise<{ code: number; out: string; all: string }> =>
  new Promise((resolve) => {
    const env = { ...process.env, LC_ALL: 'C.UTF-8', DEBIAN_FRONTEND: 'noninteractive' }
    execFile(program, args, { env, maxBuffer: 64 * 2 ** 20, timeout: 60 * 60_000 }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : 1, out: stdout, all: `${stdout}\n${stderr}`.trim() || (error?.message ?? '') }),
    )
  })

interface Route {
  dst: string
  gateway?: string
  dev: string
}
interface Link {
  addr_info: { family: string; local: string; prefixlen: number; scope: string }[]
}

const machine: ProxmoxMachine = {
  name: () => Promise.resolve(hostname().split('.')[0] ?? 'freehold'),
  async uplink() {
    const { code, out } = await run('ip', ['-json', '-4', 'route', 'show', 'default'])
    const [route] = code === 0 && out.trim() !== '' ? (JSON.parse(out) as Route[]) : []
    if (route?.gateway === undefined) return undefined
    const links = JSON.parse((await run('ip', ['-json', '-4', 'address', 'show', 'dev', route.dev])).out || '[]') as Link[]
    const own = links.flatMap(({ addr_info }) => addr_info ?? []).find(({ scope }) => scope === 'global')
    return own && { device: route.dev, address: own.local, prefixLength: own.prefixlen, gateway: route.gateway }
  },
  read: (file) => readFile(file, 'utf8').catch(() => undefined),
  async write(file, content) {
    await mkdir(dirname(file), { recursive: true })
    await writeFile(`${file}.new`, content, { mode: 0o644, flush: true })
    await rename(`${file}.new`, file)
    const folder = await open(dirname(file), 'r')
    await folder.sync()
    await folder.close()
  },
  remove: (file) => rm(file, { force: true }),
  fetch: fetchWhole,
  async run(program, ...args) {
    const { code, out, all } = await run(program, args)
    if (code !== 0) throw new Error(all.slice(-2000))
    return out
  },
  succeeds: async (program, ...args) => (await run(program, args)).code === 0,
  installed: async (name) =>
    (await run('dpkg-query', ['--show', '--showformat=${db:Status-Status}', name])).out.trim() === 'installed',
  kernel: () => Promise.resolve(release()),
  secureBoot: () => secureBootOn(),
  async reboot() {
    await run('systemctl', ['--no-block', 'reboot'])
  },
}

async function tell(told: Told): Promise<void> {
  const again = told.againInSeconds === undefined ? '' : ` Tried again in ${told.againInSeconds} s.`
  const text = `Proxmox, step ${told.at} of ${told.of} (${told.step}): ${told.state}${told.because === undefined ? '' : `: ${told.because.replaceAll(/\s+/g, ' ').slice(0, 300)}.`}${again}`
  await mkdir(dirname(noticeFile), { recursive: true })
  await writeFile(noticeFile, `${text}\n`)
  process.stderr.write(`${text}\n`)
  try {
    appendFileSync('/dev/ttyS0', `FREEHOLD-PROXMOX ${told.state} ${told.step.replaceAll(' ', '-')}\r\n`)
  } catch {
    // a machine without a serial port
  }
}

const done = await profileSteps(machine, tell, (seconds) => delay(seconds * 1000).then(() => undefined))
if (done) {
  await machine.write(doneFile, 'proxmox\n')
  await rm(noticeFile, { force: true })
}
