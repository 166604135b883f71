// Starts an express application on the port of the environment, and reports it to the process that started this one.

/** @param {import('express').Express} app */
export function listen(app) {
  const server = app.listen(Number(process.env.PORT ?? 0), '127.0.0.1', (error) => {
    if (error) throw error;
    process.send?.({ listening: server.address().port });
  });
}
