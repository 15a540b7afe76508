// A warning of Node's is a leak or a misuse: thrown here, it becomes an error that fails the run.
process.on('warning', (warning) => {
  if (warning.name !== 'ExperimentalWarning') throw warning;
});
