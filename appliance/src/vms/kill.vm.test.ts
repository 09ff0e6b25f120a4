import { createVirshStand } from '../hypervisor/libvirt/kill-world.ts'
import { killSuite } from './kill-suite.ts'

const all = process.env['FREEHOLD_ALL'] === '1'
/** The step of each job in whose middle a death hurts most; every step takes many minutes of booting guests. */
const once = {
  create: ['create/disk/running', 'create/activate/running'],
  suspend: ['suspend/shutdown/running'],
  start: ['start/start/running'],
  end: [],
  destroy: ['destroy/destroy/running'],
  reject: [],
  reinstall: ['reinstall/disk/running'],
}

await killSuite('killed in the middle of each job on libvirt, and started again', {
  row: 'crash-on-libvirt',
  title: (job) => `E7: kill -9 in ${job} on libvirt: the same world, nothing twice`,
  open: createVirshStand,
  deaths: (job, places) => (all ? places : once[job]),
  alone: all,
})
