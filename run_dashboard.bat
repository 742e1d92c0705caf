@echo off
rem Plain twin of run_dashboard.sh for Windows. It has not been run by us; see docs/how-to/windows.md.
setlocal
set "HERE=%~dp0"
set "PYTHON=%HERE%.venv\Scripts\python.exe"

if not exist "%PYTHON%" (
    set "FOUND="
    for %%P in ("py -3" "python" "python3") do (
        if not defined FOUND (
            %%~P -c "import sys; sys.exit(sys.version_info < (3, 11))" >nul 2>&1 && set "FOUND=%%~P"
        )
    )
    call :make_venv
    if errorlevel 1 exit /b 1
)

if not exist "%HERE%.venv\.installed-base" (
    echo Installing the pinned packages ^(the first time takes a few minutes^) ...
    "%PYTHON%" -m pip install --disable-pip-version-check --quiet --constraint "%HERE%constraints.txt" --editable "%HERE%."
    if errorlevel 1 (
        echo synapsed: installing the packages failed; is there a network? Try again when online. 1>&2
        exit /b 1
    )
    echo done> "%HERE%.venv\.installed-base"
)

if defined SYNAPSED_HOME (
    "%HERE%.venv\Scripts\synapsed.exe" start --open %*
) else (
    "%HERE%.venv\Scripts\synapsed.exe" start --open --home "%HERE:~0,-1%" %*
)
exit /b %errorlevel%

:make_venv
if not defined FOUND (
    echo synapsed: no Python 3.11 or newer was found; install one from https://www.python.org/downloads/ and try again 1>&2
    exit /b 1
)
echo Making .venv ...
%FOUND% -m venv "%HERE%.venv"
if errorlevel 1 echo synapsed: could not make .venv 1>&2
exit /b %errorlevel%
