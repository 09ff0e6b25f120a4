// One end of udp-over-tcp as a process. Usage: udp-over-tcp-process.ts server TCPPORT HOST UDPPORT | client TCPPORT HOST UDPPORT
import { connectUdpOverTcp } from 'wireguard-ts/udp-over-tcp/client'
import { serveUdpOverTcp } from 'wireguard-ts/udp-over-tcp/server'

const [end, tcp, host = '', udp] = process.argv.slice(2)
const [tcpPort, udpPort] = [Number(tcp), Number(udp)]
if (end === 'server') {
  await serveUdpOverTcp({ listen: { host: '127.0.0.1', port: tcpPort }, target: { host, port: udpPort } })
} else {
  await connectUdpOverTcp({ listen: { host, port: udpPort }, server: { host: '127.0.0.1', port: tcpPort } })
}
process.stdout.write('ready\n')
