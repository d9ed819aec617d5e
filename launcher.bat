@echo off
rem Opens Mynah's window: finds a Python 3.10 to 3.13 and starts launcher.pyw with it.
setlocal
cd /d "%~dp0"
set "MYNAH_WINDOW="
for %%V in (3.13 3.12 3.11 3.10) do call :try pyw py -%%V
call :try pythonw python
call :try pythonw3 python3
if not defined MYNAH_WINDOW goto none
start "" %MYNAH_WINDOW% launcher.pyw %*
exit /b 0

rem :try WINDOWED CONSOLE [VERSION]   takes the first pair that works
:try
if defined MYNAH_WINDOW exit /b 0
%2 %3 -c "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))" >nul 2>nul
if errorlevel 1 exit /b 0
where %1 >nul 2>nul
if errorlevel 1 (set "MYNAH_WINDOW=%2 %3") else (set "MYNAH_WINDOW=%1 %3")
exit /b 0

:none
echo.
echo Mynah needs Python 3.10, 3.11, 3.12 or 3.13, and none was found on this computer.
echo.
echo Install one from https://www.python.org/downloads/windows/ and tick
echo "Add python.exe to PATH" in its first window. Then start Mynah again.
echo.
pause
exit /b 2
