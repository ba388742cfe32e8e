"""tests/examples/run.py BUILD ROOT MESON PYTHON — installs into a folder, and from there runs the examples, README's lines for C and Python, man pages
and completions. Nothing of the build folder is named; with --apart it is moved away meanwhile."""
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

build, root, meson, python = sys.argv[1:5]
apart = "--apart" in sys.argv
here = os.path.dirname(os.path.abspath(__file__))
shared = os.environ.get("QUERN_SHARED") or os.path.join(root, "..", "shared")
model = os.path.join(shared, "models/stories260K/stories260K.gguf")
done = 0


def run(*words, status=0, cwd=None, **environment):
    ended = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd or work, env={**env, **environment})
    if ended.returncode != status:
        sys.exit(f"{' '.join(words)}: status {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
    return ended.stdout


def expect(what, found, wanted):
    global done
    done += 1
    if found != wanted if isinstance(wanted, str) else not wanted(found):
        sys.exit(f"{what}: {found!r}\nexpected: {wanted if isinstance(wanted, str) else 'something else'}")


def fenced(text, language):
    """The code of a README's section."""
    section = text[text.index("## Use it from your program"):]
    section = section[:section.index("\n## ", 3)]
    return re.search(rf"```{language}\n(.*?)```", section, re.S).group(1)


with tempfile.TemporaryDirectory() as work:
    prefix = os.path.join(work, "prefix")
    staged = os.path.join(work, "staged")
    ended = subprocess.run([meson, "install", "-C", build, "--no-rebuild", "--destdir", staged], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ended.returncode != 0:
        sys.exit(ended.stdout)
    tops = [os.path.dirname(path) for path in glob.glob(staged + "/**/bin", recursive=True)]
    if len(tops) != 1:
        sys.exit(f"one prefix was to be installed, there are {tops}")
    os.rename(tops[0], prefix)  # an installation may be moved
    lib = os.path.dirname(glob.glob(prefix + "/lib*/**/libquern.so", recursive=True)[0])
    packages = [os.path.dirname(os.path.dirname(path)) for path in glob.glob(prefix + "/lib*/**/quern/__init__.py", recursive=True)]
    env = {"PATH": f"{prefix}/bin:/usr/bin:/bin", "HOME": work, "QUERN_CACHE_DIR": f"{work}/cache", "LD_LIBRARY_PATH": lib, "PKG_CONFIG_PATH": f"{lib}/pkgconfig",
           "PYTHONPATH": ":".join(packages), "LC_ALL": "C.UTF-8"}
    hidden = build + ".away"
    if apart:
        os.rename(build, hidden)
    try:
        flags = run("pkg-config", "--cflags", "--libs", f"--define-variable=prefix={prefix}", "quern").split()
        expect("pkg-config", " ".join(flags), lambda said: "-lquern" in said and build not in said)
        # A bundle, with plain cc.
        run("quern", "emit", "softmax x=*x16", "-o", "bundle")
        run("cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Ibundle", f"{here}/bundle.c", "bundle/libquern_kernels.a", "-o", "bundle-example")
        expect("bundle.c", run("./bundle-example"), lambda said: len(said.split()) == 4 and abs(float(said.split()[3]) - 0.632121) < 1e-5)
        run("c++", "-std=c++20", "-Wall", "-Wextra", "-Werror", "-pthread", f"{here}/pool.cpp", *flags, "-o", "pool-example")
        expect("pool.cpp", run("./pool-example"), "300 300\n")
        run("cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", f"{here}/model.c", *flags, "-o", "model-example")
        if os.path.exists(model):
            wanted = "Once upon" + run("quern", "generate", "-m", model, "-p", "Once upon", "-n", "40", "--temp", "0", "--quiet")
            expect("model.c", run("./model-example", model, "Once upon"), wanted)
        log = run("sh", "-c", "QUERN_CACHE_DIR=none quern eval --help >/dev/null && quern show 'gelu x=7' --stage asm --log dispatch 2>&1 >/dev/null")
        expect("the code generator", log, lambda said: f"loaded from {os.path.realpath(prefix)}/" in said or "loaded from " not in said)
        # README's lines, as they stand there.
        with open(os.path.join(root, "README.md"), encoding="utf-8") as file:
            readme = file.read()
        with open(os.path.join(work, "readme.c"), "w", encoding="utf-8") as file:
            file.write(fenced(readme, "c"))
        run("cc", "readme.c", *flags, "-o", "readme-example")
        expect("README's C", run("./readme-example"), lambda said: abs(float(said.split()[0]) - 0.0320586) < 1e-6)
        if packages:
            code = fenced(readme, "python")
            if os.path.exists(model):
                shutil.copy(model, os.path.join(work, "model.gguf"))
                expect("README's Python", run(python, "-c", code), lambda said: len(said) > 40)
            expect("race.py", run(python, f"{here}/race.py", "1"), lambda said: said.count("x of NumPy") == 4)
            expect("search.py", run(python, f"{here}/search.py", "softmax x=8x100", "2"), lambda said: said.count("best:") == 1)
        # What shells and man are given.
        expect("man", run("sh", "-c", f"man -l {prefix}/share/man/man1/quern-tune.1 2>/dev/null | head -40 || cat {prefix}/share/man/man1/quern-tune.1"), lambda said: "tune" in said)
        for typed, wanted in ((("gen",), "generate"), (("generate", "--repeat-p"), "--repeat-penalty"), (("generate", "--kv", "b"), "bf16")):
            script = (f"source {prefix}/share/bash-completion/completions/quern; COMP_WORDS=(quern {' '.join(typed)}); COMP_CWORD={len(typed)}; _quern; "
                      "echo ${COMPREPLY[@]}")
            expect(f"completion of {typed}", run("bash", "-c", script), wanted + "\n")
        if shutil.which("cmake"):
            with open(os.path.join(work, "CMakeLists.txt"), "w", encoding="utf-8") as file:
                file.write("cmake_minimum_required(VERSION 3.18)\nproject(example C)\nfind_package(quern 0.1 REQUIRED)\nadd_executable(example readme.c)\n"
                           "target_link_libraries(example quern::quern)\n")
            run("cmake", "-S", ".", "-B", "cmake-build", f"-DCMAKE_PREFIX_PATH={prefix}")
            run("cmake", "--build", "cmake-build")
            expect("CMake", run("cmake-build/example"), lambda said: said.startswith("0.0320586"))
    finally:
        if apart:
            os.rename(hidden, build)
print(f"{done} checks")
sys.exit(0 if done >= 8 else 1)
