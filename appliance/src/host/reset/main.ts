import { run, runOrFail } from '../../hypervisor/libvirt/run.ts'
import { factoryReset } from './factory-reset.ts'

// freehold-factory-reset: started by freehold-hostd, which was told the machine's own id, and at boot where a reset was cut short.
// All that holds files of ours ends first: a daemon would write them again. Guests end with their hypervisor.
for (const unit of ['caddy', 'freehold-web', 'freehold-wasmd', 'freeholdd', 'freehold-libvirtd', 'freehold-hostd']) {
  await run('systemctl', ['stop', `${unit}.service`])
}
// processes of guests belong to no unit that waits for them
await run('pkill', ['-KILL', '-u', 'freehold-vm'])
await factoryReset('/', (line) => console.error(`factory reset: ${line}`))
await runOrFail('restart the machine', 'systemctl', ['--no-block', 'reboot'])
