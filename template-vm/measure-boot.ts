// node template-vm/measure-boot.ts [IMAGE] [RUNS]: seconds from the start of QEMU to the SSH banner, one line a run and the
// median last. Without IMAGE it takes what scripts/build-template.sh prints.
import { execFileSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import getPort from 'get-port'
import { bootTemplate, makeSeed } from './boot.ts'

const script = resolve(import.meta.dirname, '../scripts/build-template.sh')
const image = process.argv[2] ?? execFileSync(script, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim()
const runs = Number(process.argv[3] ?? 3)

const folder = await mkdtemp(join(tmpdir(), 'freehold-measure-'))
try {
  const seedIso = await makeSeed(join(folder, 'seed.iso'))
  const seconds: number[] = []
  for (let i = 0; i < runs; i++) {
    const load = loadavg()[0]?.toFixed(1)
    const guest = await bootTemplate({ image, seedIso, memoryMiB: 512, vcpus: 1, port: await getPort({ host: '127.0.0.1' }) })
    await guest.stop()
    seconds.push(guest.seconds)
    console.log(`${guest.seconds.toFixed(1)} s, QEMU ${guest.cpuSeconds.toFixed(1)} CPU s (load before ${load})`)
  }
  const median = seconds.toSorted((a, b) => a - b)[Math.floor(runs / 2)]
  console.log(`median ${median?.toFixed(1)} s`)
} finally {
  await rm(folder, { recursive: true, force: true })
}
