#!/usr/bin/env node
const usage = `usage: channel.mjs write SOCKET NAME LINES    sends each line of the file LINES once, as writer NAME
       channel.mjs read SOCKET FILE           appends the session's output to FILE, until the session ends
SOCKET is a session's channel. Either may be killed at any time and run again: it goes on where it stopped. LINES may
have grown by then; line n has the number n. LINES.sent and FILE.at are the journals. Gaps in the output, and how the
session ended, are printed. exit status: 0 done, 1 refused or the connection broke, 64 wrong usage`;
import fs from 'node:fs'; import net from 'node:net';
const load = (path, value) => fs.existsSync(path) ? JSON.parse(fs.readFileSync(path)) : value;
const save = (path, value) => fs.renameSync((fs.writeFileSync(path + '~', JSON.stringify(value)), path + '~'), path);
async function* messages(socket, bytes = Buffer.alloc(0)) {
    for await (const part of socket) {
        bytes = Buffer.concat([bytes, part]);
        for (let start; (start = bytes.indexOf(10) + 1) > 0;) {
            const [verb, ...fields] = bytes.toString('utf8', 0, start - 1).split(' ');
            const end = start + (verb === 'out' ? Number(fields[1]) : 0);
            if (bytes.length < end) break;
            if (verb === 'error') throw new Error(fields.join(' '));
            yield [verb, fields.join(' '), bytes.subarray(start, end)];
            bytes = bytes.subarray(end);
        }
    }
    throw new Error('the connection broke');
}
const answer = (stream, wanted) => stream.next().then(({ value: [verb, rest] }) => {
    if (verb === wanted) return rest;
    throw new Error(verb === 'exit' ? `the session ended: ${rest}` : `${verb} came, not ${wanted}`);
});
async function write(socket, stream, epoch, name, file) {
    const sent = load(file + '.sent', { epoch, last: 0 });
    socket.write(`writer ${name} ${JSON.stringify(sent)}\n`);
    let [, last, acknowledged] = (await answer(stream, 'writer')).split(' ').map(Number);
    const lines = fs.readFileSync(file, 'latin1').split('\n').slice(0, -1).map(line => line + '\n');
    // Before the numbers are given out: what the keeper has above the journal's would be somebody else's.
    save(file + '.sent', { epoch: sent.epoch, last: Math.max(sent.last, lines.length) });
    for (let n = last; n < lines.length; n++) socket.write(`write ${n + 1} ${lines[n].length}\n${lines[n]}`, 'latin1');
    while (acknowledged < lines.length) {
        const [verb, rest] = (await stream.next()).value;
        if (verb === 'ack') acknowledged = Number(rest);
        if (verb === 'exit') throw new Error(`the session ended after line ${acknowledged}: ${rest}`);
    }
    console.log(`${lines.length} lines are in the child's pipe, ${Math.max(0, lines.length - last)} of them sent now`);
}
async function read(socket, stream, epoch, name) {
    const file = fs.openSync(name, 'a'), size = () => fs.fstatSync(file).size;
    const at = load(name + '.at', { epoch, size: size(), offset: 0 }), from = { out: at.offset + size() - at.size };
    save(name + '.at', at);  // From here on the size of FILE tells the offset.
    socket.write(`read ${JSON.stringify({ from, epoch: at.epoch, follow: true })}\n`);
    await answer(stream, 'reading');
    for await (const [verb, rest, data] of stream) {
        fs.appendFileSync(file, data);
        if (verb === 'gap') save(name + '.at', { ...at, size: size(), offset: Number(rest.split(' ')[2]) });
        if (verb === 'gap' || verb === 'exit') console.log(verb, rest);
        if (verb === 'exit') break;
    }
}
const [command, path, ...rest] = process.argv.slice(2), run = { write2: write, read1: read }[command + rest.length];
if (!run) process.exit((console.error(usage), 64));
const socket = net.connect(path), stream = messages(socket);
try { await run(socket, stream, JSON.parse(await answer(stream, 'hello')).epoch, ...rest); }
catch (error) { process.exitCode = 1, console.error(error.message); } finally { socket.destroy(); }
