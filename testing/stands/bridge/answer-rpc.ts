import { createServer } from 'node:http'

// Answers eth_chainId at an address of its namespace and tells whose request it was: what a chain's node is to a first look.
const [address = '', port = '8545'] = process.argv.slice(2)
createServer((request, response) => {
  console.log(`asked by ${request.socket.remoteAddress}`)
  response.setHeader('content-type', 'application/json').end('{"jsonrpc":"2.0","id":1,"result":"0x7a69"}')
}).listen(Number(port), address, () => console.log('up'))
