// Starts a service of Python under uvicorn, and gives its URL.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Run `app` of a module in `folder`; `stop()` ends it. */
export async function start(folder, module, environment = {}) {
  const python = process.env.PYTHON ?? "python";
  const options = ["-m", "uvicorn", "--port", "0", "--app-dir", folder, `${module}:app`];
  const child = spawn(python, options, { cwd: ROOT, env: { ...process.env, ...environment }, stdio: ["ignore", "ignore", "pipe"] });
  let log = "";
  const url = await new Promise((resolve, reject) => {
    child.once("exit", () => reject(new Error(`the service did not start: ${log}`)));
    child.stderr.on("data", (data) => {
      log += data;
      const found = /running on (http:\/\/\S+)/.exec(log);
      if (found) resolve(found[1]);
    });
  });
  const stop = async () => {
    child.kill();
    await once(child, "exit");
    if (log.includes("Traceback")) throw new Error(log);
  };
  return { url, stop };
}
